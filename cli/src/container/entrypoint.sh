#!/bin/sh
# Waits until the sentinel delivers the weights, then becomes the model server. Arguments replace its command.
set -eu

signal="${TB_READY_SIGNAL:-/dev/shm/weights/ready.signal}"
model="${TB_MODEL_DIR:-$(dirname "${TB_PIPE_PATH:-/dev/shm/model-pipe}")/model}"
left="${TB_READY_TIMEOUT_SECONDS:-3600}"

while [ ! -e "$signal" ]; do
    if [ "$left" -le 0 ]; then
        echo "entrypoint: $signal did not appear; look at the sentinel's /health for the reason" >&2
        exit 69
    fi
    left=$((left - 1))
    sleep 1
done

if [ "$#" -gt 0 ]; then
    exec "$@"
fi
# Eager loading reads each file once from start to end, which is what a pipe can give.
exec vllm serve "$model" --host 127.0.0.1 --port 8081 \
    --served-model-name "${TB_ASSET_ID:-model}" \
    --load-format safetensors --safetensors-load-strategy eager \
    --disable-fastapi-docs --shutdown-timeout 25
