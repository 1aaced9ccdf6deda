# The gateway in a container that holds nothing else.
#
#   docker build -t sluice .                                            builds the binary in the image golang
#   make build && docker build --build-context build=. -t sluice .      takes bin/sluice and pulls nothing
FROM docker.io/library/golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
ARG COMMIT
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$VERSION -X main.revision=$COMMIT" -o /bin/sluice ./cmd/sluice

# The roots of trust are in the binary. The user exists by number alone. /data is the only place that is written to: the data directory,
# and what the demo writes out.
FROM scratch
COPY --from=build /bin/sluice /sluice
COPY --chown=65532:65532 .ci/empty /data
USER 65532:65532
WORKDIR /
ENV TMPDIR=/data
VOLUME /data
EXPOSE 8787
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/sluice", "health"]
ENTRYPOINT ["/sluice"]
CMD ["serve", "--listen", "0.0.0.0:8787"]
