path "secret/data/*" {
  capabilities = ["read", "list"]
}
path "sys/*" {
  capabilities = ["sudo"]
}
