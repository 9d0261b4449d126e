"""Writes down what happens to servers, over HTTP. Killed at any moment, it goes on where its ledger ends.

CLOUD=http://127.0.0.1:8774 TOKEN=$(openstack token issue -f value -c id) python metering_http.py LEDGER
"""

import json
import os
import sys
from pathlib import Path
from urllib.request import Request, urlopen

ledger = Path(sys.argv[1])
lines = ledger.read_text().splitlines() if ledger.exists() else []
url = os.environ["CLOUD"] + "/events?service=compute&resource=server&format=cloudevents"
headers = {"X-Auth-Token": os.environ["TOKEN"], "Last-Event-ID": str(int(lines[-1].split()[0])) if lines else "0"}
with urlopen(Request(url, headers=headers)) as stream, ledger.open("a") as file:
    for line in stream:
        if line.startswith(b"data: "):
            event = json.loads(line[6:])
            print(event["sequence"], event["time"], event["type"], event["subject"], file=file, flush=True)
