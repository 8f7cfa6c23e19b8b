#!/usr/bin/env bash
# The packaged camvid weights and their twin without a global path, as they were made: trained, tested, packaged.
#
#     examples/camvid.sh CAMVID WORK
#
# CAMVID has images/{train,val,test} and masks/{train,val,test}: 480x360, 11 classes, the split of SegNet's authors.
# The packaged ones began from the second photos weights, since replaced: from today's the nets are others.
# About an hour and a half of one core for each of the two nets; what is finished under WORK is not made again.
set -euo pipefail
data=$(realpath "$1") work=$(mkdir -p "$2" && realpath "$2")
cd "$(dirname "$0")/.."
recipe=(--preset camvid --head light-fpn --jaccard 1 --backbone-lr 0.5 --colour 0.6 --seed 1)

train() { # RUN OPTIONS...: goes on with a run that was stopped
  local run=$work/$1 resume=()
  [[ -e $run/state.safetensors ]] && resume=(--resume)
  convneur train "$data" --out "$run" "${recipe[@]}" "${resume[@]}" "${@:2}"
}

make() { # NAME INIT NET...
  local name=$1 init=$2 net=("${@:3}") made
  # Half the size first: four times as many views in the same time.
  train "$name-half" --init "$init" "${net[@]}" \
    --crop 160x192 --scale 0.35,0.75 --eval-scale 0.75 --lr 1.5e-3 --epochs 20
  train "$name" --init "$work/$name-half/weights.safetensors" "${net[@]}" \
    --crop 256x320 --scale 0.6,2 --eval-scale 1.25 --drop-path 0.1 --lr 1e-3 --epochs 40 --validate-every 184
  made=(python examples/package_weights.py "$name" "$work/$name/weights.safetensors"
    --command 'examples/camvid.sh CAMVID WORK')
  "${made[@]}" # first without scores: what is tested is the file of the package
  for split in val test; do
    convneur predict "$data/images/$split" --weights "$name" --out "$work/$name-$split" --force
    convneur eval-boundary "$work/$name-$split" "$data/masks/$split" --preset camvid \
      -o "$work/$name-$split.json" --force
  done
  "${made[@]}" --val "$work/$name-val.json" --test "$work/$name-test.json"
}

make camvid photos --chunks 4 --read final
make camvid-local photos-local --memory none
convneur figure boundaries "$work/camvid-test" "$data/masks/test" --twin "$work/camvid-local-test" \
  --images "$data/images/test" --preset camvid -o "$work/boundaries.png" --force
