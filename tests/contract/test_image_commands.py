"""`openstack image`, with both clients."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx

from tests.contract.clients import Client
from tests.contract.clouds import found


def test_an_image_is_uploaded_changed_saved_and_deleted(
    openstack: Client, name: str, picture: Path, tmp_path: Path
) -> None:
    made = openstack.json(
        "image create --disk-format raw --container-format bare --property os_distro=linux --tag one",
        "--file",
        str(picture),
        name,
    )
    assert made["name"] == name
    shown = openstack.json("image show", name)
    assert shown["status"] == "active"
    assert shown["size"] == picture.stat().st_size
    assert shown["checksum"] == hashlib.md5(picture.read_bytes()).hexdigest()
    assert shown["properties"]["os_distro"] == "linux"
    (listed,) = openstack.json("image list --name", name)
    assert listed == {"ID": shown["id"], "Name": name, "Status": "active"}
    openstack("image set --min-disk 2 --min-ram 64 --property os_version=7 --public --tag two", name)
    changed = openstack.json("image show", name)
    assert (changed["min_disk"], changed["min_ram"], changed["visibility"]) == (2, 64, "public")
    assert changed["properties"]["os_version"] == "7"
    assert set(changed["tags"]) == {"one", "two"}
    openstack("image unset --property os_version --tag two", name)
    assert "os_version" not in openstack.json("image show", name)["properties"]
    copy = tmp_path / "copy"
    openstack("image save --file", str(copy), name)
    assert copy.read_bytes() == picture.read_bytes()
    openstack("image delete", name)
    assert "No" in openstack.refused("image show", name)


def test_a_protected_image_is_not_deleted(openstack: Client, name: str) -> None:
    openstack.json("image create --protected", name)
    assert "403" in openstack.refused("image delete", name) or "Failed" in openstack.refused("image delete", name)
    openstack("image set --unprotected", name)
    openstack("image delete", name)


def test_images_are_listed_by_what_they_are(openstack: Client, admin: httpx.Client, name: str, picture: Path) -> None:
    for number in ("1", "2", "3"):
        openstack.json("image create --disk-format raw --container-format bare --file", str(picture), name + number)
    found(admin.post("/image/v2/images", json={"name": f"{name}-empty"}), 201)

    def names(*arguments: str) -> list[str]:
        return [row["Name"] for row in openstack.json("image list", *arguments) if row["Name"].startswith(name)]

    assert names("--sort", "name:desc") == [f"{name}3", f"{name}2", f"{name}1", f"{name}-empty"]
    assert set(names("--status", "queued")) == {f"{name}-empty"}
    assert openstack.json("image list --long --limit 2")[0]["Status"]
    assert names("--marker", openstack.json("image show", f"{name}3")["id"], "--sort", "name:desc")[0] == f"{name}2"
    openstack("image delete", *(name + end for end in ("1", "2", "3", "-empty")))
    assert names() == []
