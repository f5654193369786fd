# The engine on the official Node image. It writes to /data and nowhere else, so the root file system may be read-only.
# The image is named by its whole version; NODE_DIGEST pins it, see deploy/images.env.
ARG NODE_DIGEST=

FROM node:24.21.0-bookworm-slim${NODE_DIGEST} AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Without workspaces: the Node that one of them brings for development stays out.
RUN npm ci --omit=dev --omit=optional --workspaces=false

FROM node:24.21.0-bookworm-slim${NODE_DIGEST}
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY package.json ./
COPY src src
# A volume that is new takes over whom this belongs to.
RUN mkdir -m 0700 /data && chown node:node /data
USER node
ENV COUNTERSIGN_DATA_DIR=/data
VOLUME /data
EXPOSE 9446 9447 9448
STOPSIGNAL SIGTERM
# It asks the listener of operators, which answers while the read models are built, too. It sees its port only in the
# environment: where the settings have it elsewhere, or off, a container needs a check of its own.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "require('node:http').get({ host: '127.0.0.1', port: process.env.COUNTERSIGN_OPERATOR_PORT || 9448, path: '/livez' }, ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
CMD ["node", "src/main.ts"]
