terraform {
  required_version = ">= 1.11"

  required_providers {
    snowflake = {
      source  = "snowflakedb/snowflake"
      version = "~> 2.22"
    }
  }

  # Terraform Cloud: TF_CLOUD_ORGANIZATION names the organisation, TF_WORKSPACE one of borealis-snowflake-dev, -staging, -prod.
  cloud {
    workspaces {
      tags = ["borealis-snowflake"]
    }
  }
}

# Account and login: SNOWFLAKE_ORGANIZATION_NAME, SNOWFLAKE_ACCOUNT_NAME, SNOWFLAKE_USER, SNOWFLAKE_PRIVATE_KEY with
# SNOWFLAKE_AUTHENTICATOR=SNOWFLAKE_JWT. Resource monitors, integrations and network policies need ACCOUNTADMIN.
provider "snowflake" {
  role = "ACCOUNTADMIN"
}
