# Caravan in an image: built with everything it needs, run by a user who owns nothing but its data.
FROM rust:1.94-bookworm AS build
WORKDIR /caravan
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/caravan/target \
    cargo build --release --locked --package caravan && cp target/release/caravan /usr/local/bin/caravan

FROM debian:bookworm-slim
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /usr/local/bin/caravan /usr/local/bin/caravan
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin caravan \
    && install --directory --owner caravan /var/lib/caravan
USER caravan
# For the embedded topology; with services nothing is kept here.
ENV CARAVAN_DATA=/var/lib/caravan
VOLUME /var/lib/caravan
WORKDIR /var/lib/caravan
STOPSIGNAL SIGTERM
ENTRYPOINT ["caravan"]
CMD ["run"]
