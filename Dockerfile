# govgate: webhook server, controller and command line in one image.
#
#   docker build --tag REGISTRY/govgate:0.1.0 .
#
# What happens is in tools/image/install.sh; a test runs it in a clean folder. The image itself is built by nobody's test.

FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY . .
# With every store of secrets. Where none of a cloud's is read, "runtime" instead of "clouds" makes a smaller image.
RUN tools/image/install.sh /opt/govgate clouds

FROM python:3.13-slim-bookworm
COPY --from=build /opt/govgate /opt/govgate
ENV PATH=/opt/govgate/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# The chart's Pods run as this user, too: it owns nothing in the image.
USER 65532:65532
WORKDIR /tmp
EXPOSE 8443 8080 8081
ENTRYPOINT ["govgate"]
CMD ["serve"]
