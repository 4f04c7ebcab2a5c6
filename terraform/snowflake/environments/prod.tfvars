database = "ANALYTICS_PROD"
schema   = "SHOP"

public_keys = [<<-EOT
  -----BEGIN PUBLIC KEY-----
  MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwbjjGnTP0RbaSeBGbLBQ
  //f4/Wjl21YpMS7iYHqWlgQJSbTQAy3gCNiIDxkrL5bBr4ewjE8y1ebkobp8Swbx
  8PThENnC6fSFbMQCLZfzHGW+8qT/ZnWw/+mi0pE1Xeci10nGksXaNNzqPie31EhP
  6SO86SsomA53lBrUOmPFMC7wmNwpyNlRz2oz/zu5HYgMrvXHJEn81chVXGN+OU1C
  /ChIiPYI6PfoJeMRlATRJ2Meam2lzLt24hrXQetqnwVxa/k0aa6ShBsOfX1bAx3g
  DZsTN7jS7vVe2T9euba1DBNnymDeWmSQ5qAY7Qyv2E5/22AtAdaHq9F29D21Bp2+
  GQIDAQAB
  -----END PUBLIC KEY-----
EOT
]

network = {
  endpoints       = ["vpce-0f1e2d3c4b5a69788"]
  stage_endpoints = ["vpce-0f1e2d3c4b5a69789"]
}

warehouse = { size = "SMALL", credits = 500, notify = ["DATA_PLATFORM_ADMIN"] }
readers   = ["ANALYST"]
