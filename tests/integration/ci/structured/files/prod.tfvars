region = "eu-west-1"
names  = ["a", "b"]
sizes  = { small = 1, "large" = 2.5 }
empty  = {}
none   = []
