"""Federation: users for whom identity providers vouch, by OpenID Connect or SAML 2, and clouds that take our word."""
