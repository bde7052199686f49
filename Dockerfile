# Runs the main job; the run folder appears in /work/runs.
FROM python:3.11-slim AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir /wheels/*.whl \
    && rm -r /wheels \
    && useradd --create-home --uid 1000 quartier \
    && mkdir -p /work/runs /cache \
    && chown quartier /work /work/runs \
    && chmod 1777 /work /work/runs /cache
# Any user may run it: what has to be written is in places that all may write to.
ENV HOME=/tmp \
    NUMBA_CACHE_DIR=/cache/numba \
    QUARTIER_CACHE_DIR=/cache/quartier
USER 1000
WORKDIR /work
ENTRYPOINT ["quartier"]
CMD ["run", "fliegerhorst"]
