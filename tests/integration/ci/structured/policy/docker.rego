package docker.images

import rego.v1

deny contains msg if {
	some i
	input[i].Cmd == "from"
	endswith(input[i].Value[0], ":latest")
	msg := sprintf("instruction %d of stage %d is from latest", [i, input[i].Stage])
}

warn_add contains {"msg": msg} if {
	some i
	input[i].Cmd == "add"
	msg := concat(" ", input[i].Value)
}
