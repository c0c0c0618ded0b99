FROM alpine:latest
RUN <<EOF
set -e
echo one
EOF
COPY <<-"CONF" /etc/app.conf
	key = value
	CONF
RUN <<A cat && <<B cat
a
A
b
B
ADD https://example.com/x /x
