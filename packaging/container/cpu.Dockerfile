# GRAIL for processors. Build it in the folder that `cargo xtask dist` made:
#   docker build --file cpu.Dockerfile --tag grail .
# Each role is a container of its own:
#   docker run --env-file miner.env --volume grail:/var/lib/grail grail mine
FROM debian:bookworm-slim
COPY grail_*_amd64.deb /var/tmp/package.deb
# The base system decides which versions these packages have.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates /var/tmp/package.deb \
    && rm -rf /var/lib/apt/lists/* /var/tmp/package.deb
ENV GRAIL_CACHE_DIR=/var/cache/grail \
    BT_WALLET_PATH=/var/lib/grail/wallets
VOLUME ["/var/lib/grail", "/var/cache/grail"]
WORKDIR /etc/grail
USER grail
STOPSIGNAL SIGINT
ENTRYPOINT ["grail"]
CMD ["--help"]
