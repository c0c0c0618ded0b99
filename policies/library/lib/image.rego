# METADATA
# scope: package
# title: The images that a Pod runs or mounts
package govgate.lib.image

import rego.v1

import data.govgate.lib.pod

# METADATA
# title: Every reference to an image, as it is written, with its place for `field`
references := array.concat(
	[{"reference": container.image, "place": [list, i, {"name": object.get(container, "name", null)}, "image"]} |
		some list in pod.lists
		some i, container in pod.spec[list]
		not container.image in {"", null}
	],
	[{"reference": volume.image.reference, "place": ["volumes", i, {"name": object.get(volume, "name", null)}, "image.reference"]} |
		some i, volume in pod.spec.volumes
		not volume.image.reference in {"", null}
	],
)

# METADATA
# title: The path of the field that a reference stands in
field(found) := pod.item_field(found.place[0], found.place[1], found.place[2], found.place[3])

# METADATA
# title: The name with its registry, without tag and digest, as a runtime completes it
# description: "`nginx` is `docker.io/library/nginx`: the first part is a registry only if it looks like a host."
name(reference) := plain if {
	plain := _untagged(reference)
	parts := split(plain, "/")
	count(parts) > 1
	_host(parts[0])
}

else := concat("/", ["docker.io", plain]) if {
	plain := _untagged(reference)
	contains(plain, "/")
}

else := concat("/", ["docker.io/library", _untagged(reference)])

# METADATA
# title: The tag, "latest" where none is written; undefined for a reference by digest
tag(reference) := split(last, ":")[1] if {
	not contains(reference, "@")
	last := _last(reference)
	contains(last, ":")
}

else := "latest" if not contains(reference, "@")

# METADATA
# title: The reference has a digest, which names the content itself
pinned(reference) if {
	[_, digest] := split(reference, "@")
	[algorithm, hash] := split(digest, ":")
	count(hash) == {"sha256": 64, "sha384": 96, "sha512": 128}[algorithm]
}

_untagged(reference) := trim_suffix(plain, concat("", [":", split(last, ":")[1]])) if {
	plain := split(reference, "@")[0]
	last := _last(plain)
	contains(last, ":")
}

else := split(reference, "@")[0]

_last(reference) := parts[count(parts) - 1] if parts := split(reference, "/")

_host("localhost")

_host(first) if contains(first, ".")

_host(first) if contains(first, ":")

_host(first) if lower(first) != first
