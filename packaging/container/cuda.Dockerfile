# GRAIL for CUDA devices. Build it in the folder that `cargo xtask dist` made; the host has NVIDIA's driver and container toolkit:
#   docker build --file cuda.Dockerfile --tag grail-cuda .
#   docker run --gpus all --env-file miner.env --env GRAIL_DEVICE=cuda --volume grail:/var/lib/grail grail-cuda mine
FROM debian:bookworm-slim AS libtorch
COPY grail_*_amd64.deb /var/tmp/package.deb
# The base system decides which versions these packages have.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3-pip \
    && dpkg --extract /var/tmp/package.deb /grail \
    && /grail/usr/share/grail/fetch-libtorch --cuda --into /cuda

FROM debian:bookworm-slim
COPY grail_*_amd64.deb /var/tmp/package.deb
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates /var/tmp/package.deb \
    && rm -rf /var/lib/apt/lists/* /var/tmp/package.deb
COPY --from=libtorch /cuda /usr/lib/grail/cuda
ENV GRAIL_CACHE_DIR=/var/cache/grail \
    BT_WALLET_PATH=/var/lib/grail/wallets \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
VOLUME ["/var/lib/grail", "/var/cache/grail"]
WORKDIR /etc/grail
USER grail
STOPSIGNAL SIGINT
ENTRYPOINT ["grail"]
CMD ["--help"]
