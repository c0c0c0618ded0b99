package govgate.lib.path_test

import rego.v1

import data.govgate.lib.path

test_a_plain_name if path.member("data", "log_level-2") == "data.log_level-2"

test_another_name if path.member("data", "tls.key") == "data[\"tls.key\"]"
