#!/usr/bin/env bash
# The packaged nuclei weights, as they were made: trained, packaged, tested.
#
#     examples/nuclei.sh NUCLEI WORK
#
# NUCLEI has images/{train,val,test} and annotations/{train,val,test}.json: the 2018 Data Science Bowl, stage 1, as COCO.
# The packaged ones began from the first photos weights, since replaced: from today's the net is another.
# About half an hour of one core; what is finished under WORK is not made again.
set -euo pipefail
data=$(realpath "$1") work=$(mkdir -p "$2" && realpath "$2")
cd "$(dirname "$0")/.."

train() { # RUN INIT OPTIONS...: goes on with a run that was stopped
  local run=$work/$1 resume=()
  [[ -e $run/state.safetensors ]] && resume=(--resume)
  convneur train "$data" --task detection --detector mask-rcnn --out "$run" "${resume[@]}" --init "$2" \
    --chunks 4 --read final --crop 192 --precision fp32 "${@:3}"
}

train nuclei-first photos --scale 1.2,2.4 --eval-scale 2 --lr 0.0015 --epochs 2.78 --validate-every 87
# Larger objects, in views of the same size.
train nuclei "$work/nuclei-first/weights.safetensors" \
  --scale 1.5,3.2 --eval-scale 2.5 --lr 0.0012 --epochs 3.2 --validate-every 100 --seed 1

made=(python examples/package_weights.py nuclei "$work/nuclei/weights.safetensors"
  --command 'examples/nuclei.sh NUCLEI WORK')
"${made[@]}" # first without scores: what is tested is the file of the package
for split in val test; do
  convneur predict "$data/images/$split" --weights nuclei --annotations "$data/annotations/$split.json" \
    --out "$work/nuclei-$split" --force
  convneur eval-detection "$work/nuclei-$split/results.json" "$data/annotations/$split.json" \
    -o "$work/nuclei-$split.json" --force
done
"${made[@]}" --val "$work/nuclei-val.json" --test "$work/nuclei-test.json"
