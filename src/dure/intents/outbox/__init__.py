"""The outbox: messages to people outside, planned before they are sent, sent once, and never "sent" before they are."""
