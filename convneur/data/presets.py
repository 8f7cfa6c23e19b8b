"""Data sets that people score on: their classes, what their files hold, how the files are named."""

from collections.abc import Mapping
from dataclasses import dataclass

from convneur.data.colours import Colour, ColourTable

__all__ = ["PRESETS", "Naming", "Preset"]


@dataclass(frozen=True)
class Naming:
    """How the files of one side are named, and what those hold.

    suffix: what follows the name that a pair has in common. anywhere: folders do not count, since file names are
    unique. ids: stored id -> class, None for an ignored id; without it the file holds the classes themselves.
    """

    suffix: str = ""
    anywhere: bool = False
    ids: Mapping[int, int | None] | None = None

    @property
    def template(self) -> str:
        """As `convneur.data.pairs.find_pairs` takes it."""
        return f"{'**/' if self.anywhere else ''}{{stem}}{self.suffix}"


@dataclass(frozen=True)
class Preset:
    """A data set as its authors publish it.

    names: of the classes, in order. ignore_index: label that the ground truth's ignored pixels get. gt, pred: namings,
    the first that fits a file holds. palette: (R, G, B) by class, where the authors have one. colours: what colours
    mean in maps of this data set that are RGB pictures.
    """

    names: tuple[str, ...]
    ignore_index: int
    gt: tuple[Naming, ...] = (Naming(),)
    pred: tuple[Naming, ...] = (Naming(),)
    palette: tuple[Colour, ...] | None = None
    colours: ColourTable | None = None


# Names and order: objectInfo150.txt of CSAILVision/sceneparsing, the first synonym of each.
_ADE20K = (
    "wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, sidewalk, person, earth, door, "
    "table, mountain, plant, curtain, chair, car, water, painting, sofa, shelf, house, sea, mirror, rug, field, "
    "armchair, seat, fence, desk, rock, wardrobe, lamp, bathtub, railing, cushion, base, box, column, signboard, "
    "chest of drawers, counter, sand, sink, skyscraper, fireplace, refrigerator, grandstand, path, stairs, runway, "
    "case, pool table, pillow, screen door, stairway, river, bridge, bookcase, blind, coffee table, toilet, flower, "
    "book, hill, bench, countertop, stove, palm, kitchen island, computer, swivel chair, boat, bar, arcade machine, "
    "hovel, bus, towel, light, truck, tower, chandelier, awning, streetlight, booth, television receiver, airplane, "
    "dirt track, apparel, pole, land, bannister, escalator, ottoman, bottle, buffet, poster, stage, van, ship, "
    "fountain, conveyer belt, canopy, washer, plaything, swimming pool, stool, barrel, basket, waterfall, tent, bag, "
    "minibike, cradle, oven, ball, food, step, tank, trade name, microwave, pot, animal, bicycle, lake, dishwasher, "
    "screen, blanket, sculpture, hood, sconce, vase, traffic light, tray, ashcan, fan, pier, crt screen, plate, "
    "monitor, bulletin board, shower, radiator, glass, clock, flag"
)

# Names, ids and colours: labels.txt of nightrome/cocostuff; the ids 1 to 182 less 11 that no image holds.
_COCO_STUFF = (
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign, "
    "parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, "
    "handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, "
    "surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, "
    "broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, "
    "laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, "
    "scissors, teddy bear, hair drier, toothbrush, banner, blanket, branch, bridge, building-other, bush, cabinet, "
    "cage, cardboard, carpet, ceiling-other, ceiling-tile, cloth, clothes, clouds, counter, cupboard, curtain, "
    "desk-stuff, dirt, door-stuff, fence, floor-marble, floor-other, floor-stone, floor-tile, floor-wood, flower, "
    "fog, food-other, fruit, furniture-other, grass, gravel, ground-other, hill, house, leaves, light, mat, metal, "
    "mirror-stuff, moss, mountain, mud, napkin, net, paper, pavement, pillow, plant-other, plastic, platform, "
    "playingfield, railing, railroad, river, road, rock, roof, rug, salad, sand, sea, shelf, sky-other, skyscraper, "
    "snow, solid-other, stairs, stone, straw, structural-other, table, tent, textile-other, towel, tree, vegetable, "
    "wall-brick, wall-concrete, wall-other, wall-panel, wall-stone, wall-tile, wall-wood, water-other, waterdrops, "
    "window-blind, window-other, wood"
)


# Names, order and colours: mmsegmentation's voc.py, whose colours are those of the development kit's colour map.
_VOC = (
    "background, aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, diningtable, dog, horse, "
    "motorbike, person, pottedplant, sheep, sofa, train, tvmonitor"
)

# Ids, train ids and colours: labels.py of cityscapesScripts. The colours are no way back to classes: `pole` and
# the ignored `polegroup` share one.
_CITYSCAPES = (
    (7, "road", (128, 64, 128)),
    (8, "sidewalk", (244, 35, 232)),
    (11, "building", (70, 70, 70)),
    (12, "wall", (102, 102, 156)),
    (13, "fence", (190, 153, 153)),
    (17, "pole", (153, 153, 153)),
    (19, "traffic light", (250, 170, 30)),
    (20, "traffic sign", (220, 220, 0)),
    (21, "vegetation", (107, 142, 35)),
    (22, "terrain", (152, 251, 152)),
    (23, "sky", (70, 130, 180)),
    (24, "person", (220, 20, 60)),
    (25, "rider", (255, 0, 0)),
    (26, "car", (0, 0, 142)),
    (27, "truck", (0, 0, 70)),
    (28, "bus", (0, 60, 100)),
    (31, "train", (0, 80, 100)),
    (32, "motorcycle", (0, 0, 230)),
    (33, "bicycle", (119, 11, 32)),
)

# The 11 classes of SegNet's split, their order as in its masks; the data set's own 32 colours (label_colors.txt) and
# which of the 11 each belongs to: MathWorks' example "Semantic Segmentation Using Deep Learning". The first colour of
# a class is the one it is drawn in. Void is ignored.
_CAMVID: dict[str, tuple[Colour, ...]] = {
    "sky": ((128, 128, 128),),
    "building": ((128, 0, 0), (0, 128, 64), (64, 192, 0), (64, 0, 64), (192, 0, 128)),
    "pole": ((192, 192, 128), (0, 0, 64)),
    "road": ((128, 64, 128), (128, 0, 192), (192, 0, 64)),
    "pavement": ((0, 0, 192), (64, 192, 128), (128, 128, 192)),
    "tree": ((128, 128, 0), (192, 192, 0)),
    "sign symbol": ((192, 128, 128), (128, 128, 64), (0, 64, 64)),
    "fence": ((64, 64, 128),),
    "car": ((64, 0, 128), (64, 128, 192), (192, 128, 192), (192, 64, 128), (128, 64, 64)),
    "pedestrian": ((64, 64, 0), (192, 128, 64), (64, 0, 192), (64, 128, 64)),
    "bicyclist": ((0, 128, 192), (192, 0, 192)),
}


def _ade20k() -> Preset:
    # The annotations hold 0 for "none of these" and 1 to 150; models are trained, and predict, 0 to 149.
    ids: dict[int, int | None] = {0: None} | {stored: stored - 1 for stored in range(1, 151)}
    return Preset(tuple(_ADE20K.split(", ")), 255, gt=(Naming(ids=ids),))


def _cityscapes() -> Preset:
    ids: dict[int, int | None] = dict.fromkeys(range(34))
    ids |= {stored: k for k, (stored, _, _) in enumerate(_CITYSCAPES)}
    classes, stored = Naming("_gtFine_labelTrainIds", anywhere=True), Naming("_gtFine_labelIds", anywhere=True, ids=ids)
    image, stem = Naming("_leftImg8bit", anywhere=True), Naming(anywhere=True)
    names, palette = tuple(name for _, name, _ in _CITYSCAPES), tuple(colour for _, _, colour in _CITYSCAPES)
    return Preset(names, 255, gt=(stored, classes), pred=(image, classes, stored, stem), palette=palette)


def _voc() -> Preset:
    names = tuple(_VOC.split(", "))
    palette = tuple(_voc_colour(k) for k in range(len(names)))
    table = ColourTable(names, {_voc_colour(255): None} | {colour: k for k, colour in enumerate(palette)})
    return Preset(names, 255, palette=palette, colours=table)


def _voc_colour(label: int) -> Colour:
    """Entry of the development kit's colour map: the label's bits dealt out to red, green and blue, highest first."""
    red, green, blue = (sum((label >> 3 * bit + part & 1) << 7 - bit for bit in range(3)) for part in range(3))
    return red, green, blue


def _camvid() -> Preset:
    names = tuple(_CAMVID)
    classes: dict[Colour, int | None] = {(0, 0, 0): None}
    classes |= {colour: k for k, colours in enumerate(_CAMVID.values()) for colour in colours}
    palette = tuple(colours[0] for colours in _CAMVID.values())
    # The data set's own pictures are named ..._L.png.
    return Preset(names, 11, gt=(Naming("_L"), Naming()), palette=palette, colours=ColourTable(names, classes))


def _coco_stuff() -> Preset:
    # The masks hold the id less 1, and 255 where nothing is labelled.
    unused = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91}
    used = [stored for stored in range(1, 183) if stored not in unused]
    ids: dict[int, int | None] = {255: None} | {stored - 1: k for k, stored in enumerate(used)}
    classes = Naming("_labelTrainIds")  # as mmsegmentation converts them
    return Preset(tuple(_COCO_STUFF.split(", ")), 255, gt=(classes, Naming(ids=ids)), pred=(classes, Naming()))


PRESETS: Mapping[str, Preset] = {
    "ade20k": _ade20k(),
    "cityscapes": _cityscapes(),
    "voc": _voc(),
    "camvid": _camvid(),
    "coco-stuff": _coco_stuff(),
}
"""By name. Predictions hold classes from 0 on, except Cityscapes ones that are named `..._gtFine_labelIds`."""
