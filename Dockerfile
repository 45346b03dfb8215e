# Two stages: the first has pip and the source, the second Python, what loadwatch needs, and an ordinary user.
# How to run it so that it sees the host: loadwatch/docs/install.md, "In a container"
FROM docker.io/library/python:3.11-slim-bookworm AS build
# --build-arg "EXTRAS=[notify,secure]" for what needs more: loadwatch/docs/notifications.md, TLS and passwords.
ARG EXTRAS=
COPY . /source
RUN python -m venv --without-pip /opt/loadwatch \
 && pip --python /opt/loadwatch/bin/python install --no-cache-dir "/source$EXTRAS" \
 && find /opt/loadwatch -type d -name tests ! -path '*/assets/*' -prune -exec rm -r {} +

FROM docker.io/library/python:3.11-slim-bookworm
COPY --from=build /opt/loadwatch /opt/loadwatch
# The state is all that is ever written; the root file system may be read-only.
RUN install -d -o 10074 -g 10074 -m 0750 /var/lib/loadwatch
USER 10074:10074
VOLUME /var/lib/loadwatch
EXPOSE 10074
ENV PATH=/opt/loadwatch/bin:$PATH \
    LOADWATCH_STATE_DIRECTORY=/var/lib/loadwatch
# Alive without a fresh verdict is not healthy: a monitor that sees nothing must not look well.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["loadwatch", "status", "--check"]
ENTRYPOINT ["loadwatch"]
CMD ["run"]
