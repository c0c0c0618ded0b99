package programs.numbers

import rego.v1

big := 9007199254740993 + 1

multiple := 123456789012345678901234567890 * 10

quotient := 10 / 4

whole := 10 / 5

third := 1 / 3

remainder := -7 % 3

by_zero := 1 / 0

rounded := [round(2.5), ceil(2.1), floor(-2.1), abs(-3.0)]

exponents := [1e3, 1.0, 1.50, 2e-7, 1e21, 100000000000000000000000]

same if 1 == 1.0

large_equal if data.catalogue.limits.db.memory == 9007199254740993

from_input := object.get(input, "numbers", [])

sums := [m | some n in from_input; m := n + 0]

multiplied := product(from_input)

parsed := [to_number("12.50"), to_number("0x10"), to_number("")]

parsed_fine := [to_number("12.50"), to_number("1e2"), to_number(true), to_number(null)]

sizes := [units.parse("10Ki"), units.parse_bytes("1.5GB"), units.parse("500m")]

bitwise := [bits.and(6, 3), bits.or(6, 3), bits.xor(6, 3), bits.lsh(1, 10), bits.rsh(1024, 3), bits.negate(5)]

formats := [sprintf("%d", [3]), sprintf("%v", [3.5]), sprintf("%.2f", [2]), sprintf("%x", [255]), sprintf("%d", [1.5])]

ordered := sort([3, "a", null, true, [1], {"b": 1}, 2.5, {1}])

extremes := [max([1, 5, 3]), min({"b", "a"}), max([])]

extremes_fine := [max([1, 5, 3]), min({"b", "a"})]

ranges := [numbers.range(3, 1), numbers.range_step(0, 10, 4)]
