"""A file of attributes for `facegate evaluate --attributes`, from public labels of LFW.

    python -m train.attributes LFW female_names.txt feature_embeddings_lfw > attributes.txt

LFW's own file of attributes is no longer to be had. Two public sources take its place:
- the pictures of women, one file name a line, checked by eye by Afifi and Abdelhamed
  (AFIF4, 2017); every other picture of LFW is a man's. In the repository
  sushii2001/DeepFace-gender-bias-detection, etc/female_names.txt.
- a JSON file a picture with the guesses of two nets, FaRL (Eyeglasses, Young) and DeepFace
  (race). In the repository SnorreW/FacialAttributes_Snorre. A guess of looks, not what
  anybody is: DeepFace's are taken only where they agree, over a person's pictures, to
  RACE_SHARE; its other races have no column.
Young becomes the column Youth, not young Middle Aged.
"""

import argparse
import glob
import json
import os
from collections import Counter, defaultdict

RACES = ("white", "black", "asian")
RACE_SHARE = 0.75


def races(guesses):
    """The race of each person on which the guesses agree, else None. guesses: dicts by
    picture."""
    votes = defaultdict(Counter)
    for picture, g in guesses.items():
        votes[picture[:-5]][g["df_race"]] += g["df_race_prob"]
    return {person: race if n >= RACE_SHARE * v.total() else None
            for person, v in votes.items() for race, n in v.most_common(1)}


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("lfw")
    ap.add_argument("women")
    ap.add_argument("guesses")
    args = ap.parse_args()
    stem = lambda path: os.path.splitext(os.path.basename(path))[0]
    with open(args.women) as f:
        women = {stem(line) for line in f.read().split()}
    guesses = {}
    for path in glob.glob(f"{args.guesses}/*.json"):
        with open(path) as f:
            guesses[stem(stem(path))] = json.load(f)
    race = races(guesses)
    print("# person", "imagenum", "Male", *(r.capitalize() for r in RACES), "Youth", "Middle Aged",
          "Eyeglasses", sep="\t")
    for picture in sorted(stem(p) for p in glob.glob(f"{args.lfw}/*/*.jpg")):
        person, number = picture[:-5], int(picture[-4:])
        r, g = race.get(person), guesses.get(picture)
        print(person, number, -1 if picture in women else 1,
              *((int(r == x) if r in RACES else "-") for x in RACES),
              *((g["Young"] - 0.5, 0.5 - g["Young"], g["Eyeglasses"] - 0.5) if g else "---"),
              sep="\t")


if __name__ == "__main__":
    main()
