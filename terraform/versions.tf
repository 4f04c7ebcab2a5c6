terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.69"
    }
  }

  # Terraform Cloud: TF_CLOUD_ORGANIZATION names the organisation, TF_WORKSPACE one of borealis-dev, -staging, -prod.
  cloud {
    workspaces {
      tags = ["borealis"]
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      application = "borealis"
      environment = var.environment
      managed-by  = "terraform"
    }
  }
}
