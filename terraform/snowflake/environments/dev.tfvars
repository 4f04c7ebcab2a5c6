database = "ANALYTICS_DEV"
schema   = "SHOP"

public_keys = [<<-EOT
  -----BEGIN PUBLIC KEY-----
  MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEArhGBUCXyiAyz6O/znf/S
  LoFNqzvQOXa407u3wfawVObMRw4aWYqjakafy/+o77Dz1dmL1Fw9molnmoQY5pFh
  3GHNHhcElrAsz5MvWrLVJ5VsVoCl5Ky7Xw/VOLpvpUN9AXNyqcrwF2IZv9ihsmvA
  nZKL5nVyYoV/aM1j9lf+5mwR1NTMQ8YZ7Zuu+HsjJqrtf2jOyHrhM1ZE9eUoyqJ7
  sjaMUba4LKuhPPeaiUKgNXtBE+YX9wdffvKMBLVfpLPvQvRJu7dyauPIshTy68e2
  V5fwdc/azLP13LlLB46QSmjZHEXZTvaJVby5CgSGEAwH9cROlQDL4dlkRlgeTaT/
  2wIDAQAB
  -----END PUBLIC KEY-----
EOT
]

network = { addresses = ["192.0.2.10/32", "192.0.2.11/32"] }
