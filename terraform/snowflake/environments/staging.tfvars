database = "ANALYTICS_STAGING"
schema   = "SHOP"

public_keys = [<<-EOT
  -----BEGIN PUBLIC KEY-----
  MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAq1vRT6kAJ0M7UhWmhFIf
  brju5ad2wu6jb0QYzlhLF+Rn4e86ab8RMtQk87249MkyUQ34U3tG0o5ScJPhzqCF
  LkSVyRMoXNywP90cksrEdN4iMdegfqS5oOB8hVZmfs5doFqEmdE1ivxDrdUgGiiy
  Bo9P8NllJaM2W2v3A6nFSyTzhDdV3rg9pbfFJX9yErvIx6VFN+pkF8mhoYYUh1YG
  V3rYoxOpck76MVp82hWNPyHAbUI6bj8ai7Z6YpJ+DwdDbQbQCgBuwPZO95uG0w92
  yBFbOsv3NF98JcqON+yerC3KsWwu1hLdyVl4ElY9rlf536PK8i59fGcJEonLEHNH
  eQIDAQAB
  -----END PUBLIC KEY-----
EOT
]

network = {
  endpoints       = ["vpce-0a1b2c3d4e5f60718"]
  stage_endpoints = ["vpce-0a1b2c3d4e5f60719"]
}

storage_integration = {
  name     = "BOREALIS_S3_STAGING"
  role_arn = "arn:aws:iam::123456789012:role/borealis-staging-stage-reader"
  url      = "s3://borealis-staging-stage-123456789012-us-east-1/files/"
}
