# One engine on the embedded store. Everything it writes is in /data.
FROM node:24-slim
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY tools/runtime/package.json tools/runtime/
RUN npm ci --omit=dev --omit=optional
COPY src src
RUN mkdir /data && chown node:node /data
USER node
ENV COUNTERSIGN_DATA_DIR=/data
VOLUME /data
EXPOSE 9446 9447
CMD ["node", "src/main.ts"]
