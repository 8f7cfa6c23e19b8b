#!/usr/bin/env bash
# A ViT, a Swin, a ConvNeXt and a ResNet of timm, counted in full: the table under "Any model" in docs/counting.md.
#
#     examples/count_timm.sh [ENVIRONMENT]
#
# timm needs torchvision, and a torchvision belongs to one build of torch: hence an environment of its own, `peers`
# unless named, made on the first run (some gigabytes) and used as it is afterwards.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
place=${1:-peers}
if [[ ! -x $place/bin/convneur ]]; then
  python3 -m venv "$place"
  "$place/bin/pip" install -q torch==2.14.1 torchvision==0.29.1 "$here[timm]"
fi
models=(vit_small_patch16_224 swin_tiny_patch4_window7_224 convnext_tiny resnet50)
exec "$place/bin/convneur" flops --verbose --sizes 224,448 --model "$(IFS=, && echo "${models[*]/#/timm/}")"
