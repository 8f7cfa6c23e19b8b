"""Packaged weights fine-tuned on label maps; run in the folder that `convneur demo` writes.

pip install accelerate filelock
python finetune.py
"""

import convneur

if __name__ == "__main__":  # training starts processes that decode images, and these read this file too
    run = convneur.training.train(
        "nuclei/", classes="classes.txt", init="photos", chunks=4, read="final", minutes=5, out="run"
    )
    convneur.inference.predict_folder("nuclei/images/val", weights=run.weights, out="labelled")
    print(convneur.evaluation.evaluate("labelled/", "nuclei/masks/val", classes="classes.txt"))
