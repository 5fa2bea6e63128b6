"""What methods of one family share: mixing, an EMA that is evaluated, a second network, a teacher that learns."""
