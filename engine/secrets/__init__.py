"""Where logins come from: HashiCorp Vault, and the function's own AWS identity."""
