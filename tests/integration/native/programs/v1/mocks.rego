package programs.mocks

import rego.v1

import data.programs.control

subject := input.subject

as_input := value if value := subject with input.subject as "given"

as_object := value if value := subject with input as {"subject": {"name": "given"}}

unset := value if value := control.level with input as {"review": {"object": {"spec": {"hostNetwork": true}}}}

as_data := value if value := data.catalogue.flags with data.catalogue.flags.strict as false

new_data := value if value := data.programs_absent.x with data.programs_absent as {"x": [1]}

doubled(x) := x * 2

applied := doubled(4)

mocked := value if value := applied with doubled as 42

clock := value if value := time.now_ns() with time.now_ns as 1700000000000000000

upper_mock := value if value := upper("a") with upper as lower

both := value if value := [subject, data.catalogue.flags.legacy] with input.subject as 1 with data.catalogue.flags.legacy as 2

gone if not subject with input as {}
