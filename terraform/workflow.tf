resource "aws_sfn_state_machine" "run" {
  name     = local.state_machine
  role_arn = aws_iam_role.state_machine.arn

  definition = templatefile("${path.module}/state_machine.asl.json", {
    parallel_arn          = "${local.functions.parallel.arn}:live"
    worker_arn            = "${local.functions.worker.arn}:live"
    workers               = var.workers
    dead_letter_queue_url = local.dead_letters_url
    topic_arn             = local.topic_arn
  })

  logging_configuration {
    level                  = "ALL"
    include_execution_data = true # names, ids and counts: no row passes through it
    log_destination        = "${aws_cloudwatch_log_group.state_machine.arn}:*"
  }

  tracing_configuration {
    enabled = true
  }

  depends_on = [aws_iam_role_policy.state_machine]
}
