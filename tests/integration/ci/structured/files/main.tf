terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = { source = "hashicorp/aws", version = "~> 5.0" }
  }
}

resource "aws_s3_bucket" "logs" {
  bucket = "logs-${var.env}-${lower(var.region)}"
  acl    = "public-read"
  tags = merge(local.tags, { Name = "logs" })
  lifecycle_rule {
    enabled = true
    expiration { days = 30 }
  }
  lifecycle_rule {
    enabled = false
  }
}

resource "aws_s3_bucket" "data" {
  bucket = "data"
  acl    = var.public ? "public-read" : "private"
  policy = <<-POLICY
    {
      "Version": "2012-10-17",
      "Resource": "${aws_s3_bucket.logs.arn}/*"
    }
  POLICY
}

locals {
  tags   = { "a.b" = 1, (var.key) = 2 }
  names  = [for n in var.names : upper(n) if n != ""]
  byname = { for n in var.names : n => length(n)... }
  splat  = aws_instance.all[*].id
  tmpl   = "%{ if var.on }on%{ else }off%{ endif ~}"
  neg    = -5
  not    = !var.on
  big    = 12345678901
  float  = 1.5e3
  null_  = null
  dollar = "$${literal} %%{literal}"
  uni    = "\u00e9 <&>"
  dyn    = local.a["k"].b[0]
}

locals { more = true }

module "m" {
  source   = "./m"
  for_each = toset(["a", "b"])
  dynamic "x" {
    for_each = var.xs
    content { y = x.value }
  }
}

# comment
// comment
/* block
   comment */
output "o" { value = try(module.m["a"].out, "") }
