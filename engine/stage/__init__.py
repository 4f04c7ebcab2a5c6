"""Where staged files go while they are written: local disk, or a bucket. The S3 client is known only here."""
