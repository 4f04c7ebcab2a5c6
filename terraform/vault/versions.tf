terraform {
  required_version = ">= 1.11"

  required_providers {
    vault = {
      source  = "hashicorp/vault"
      version = "~> 5.0"
    }
  }

  # Terraform Cloud: TF_CLOUD_ORGANIZATION names the organisation, TF_WORKSPACE one of borealis-vault-dev, -staging, -prod.
  cloud {
    workspaces {
      tags = ["borealis-vault"]
    }
  }
}

# Address, login and namespace: VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE.
provider "vault" {}
