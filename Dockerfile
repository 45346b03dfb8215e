FROM python:3.11-slim-bookworm AS build
COPY . /source
RUN python -m venv /opt/loadwatch && /opt/loadwatch/bin/pip install --no-cache-dir /source

FROM python:3.11-slim-bookworm
COPY --from=build /opt/loadwatch /opt/loadwatch
RUN useradd --system --uid 10074 loadwatch && install -d -o loadwatch /var/lib/loadwatch
USER loadwatch
VOLUME /var/lib/loadwatch
EXPOSE 10074
ENV LOADWATCH_STATE_DIRECTORY=/var/lib/loadwatch
HEALTHCHECK --interval=30s --timeout=5s CMD ["/opt/loadwatch/bin/loadwatch", "status", "--check"]
ENTRYPOINT ["/opt/loadwatch/bin/loadwatch"]
CMD ["run"]
