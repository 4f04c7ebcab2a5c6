"""The cloud on a laptop, on loopback alone: functions under Lambda's own runtime client, and what surrounds them."""
