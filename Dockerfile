# Two stages: the first has the compiler, the second only the server.
#   docker build -t adze .
#   docker run -p 8080:8080 -v adze-data:/data adze
FROM swift:6.3-bookworm AS build
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends \
      libnghttp2-dev zlib1g-dev libssl-dev libsqlite3-dev pkg-config \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Package.swift ./
COPY Sources Sources
COPY Tests Tests
RUN swift build -c release --product adze --static-swift-stdlib \
 && strip .build/release/adze

FROM debian:bookworm-slim
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends libnghttp2-14 zlib1g libssl3 libsqlite3-0 libstdc++6 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin adze \
 && install -d -o adze -g adze /data /data/models /data/state /data/state
COPY --from=build /src/.build/release/adze /usr/local/bin/adze
COPY config /etc/adze
USER adze
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["/bin/bash", "-c", \
  "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /v2/health/ready HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r line <&3 && [[ $line == *' 200 '* ]]"]
ENTRYPOINT ["adze"]
ENV ADZE_MODELS_DIRECTORY=/data/models ADZE_MODELS_PRELOAD=/etc/adze/models \
    ADZE_DATA_DIRECTORY=/data/state ADZE_DATA_PRELOAD_DATASETS=/etc/adze/datasets
CMD ["serve", "--config", "/etc/adze/adze.yaml"]
