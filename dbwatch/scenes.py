"""What the simulator's story is about: three films, the people who talk of them, and what they say. Our own words."""

from __future__ import annotations

from typing import NamedTuple


class Person(NamedTuple):
    """Someone who comments, under the name that they begin with and the one that they choose."""

    first_name: str
    later_name: str


class Scene(NamedTuple):
    """One film from its first announcement to its release, and its audience."""

    working_title: str
    title: str
    year: int
    released: tuple[int, int, int]
    runtime: int
    rated: str
    imdb_id: int
    rating: float
    genres: tuple[str, ...]
    directors: tuple[str, ...]
    writers: tuple[str, ...]
    announced: tuple[str, ...]
    joining: tuple[str, ...]
    people: tuple[Person, Person]
    remarks: tuple[str, ...]
    second_thoughts: tuple[str, ...]


EDITIONS = ("", " (Restored)", " (Director's Cut)", " (Anniversary Edition)", " (Open-Air Screening)")

SCENES = (
    Scene(
        working_title="Untitled Simulation Project",
        title="The Matrix",
        year=1999,
        released=(1999, 3, 31),
        runtime=136,
        rated="R",
        imdb_id=133093,
        rating=8.7,
        genres=("Action", "Sci-Fi"),
        directors=("Lana Wachowski", "Lilly Wachowski"),
        writers=("Lilly Wachowski", "Lana Wachowski"),
        announced=("Keanu Reeves", "Laurence Fishburne"),
        joining=("Carrie-Anne Moss", "Hugo Weaving", "Joe Pantoliano", "Gloria Foster"),
        people=(Person("Thomas Anderson", "Neo"), Person("Unknown Caller", "Trinity")),
        remarks=(
            "Took the red one. Should have eaten first.",
            "My cat walked past twice and now I do not trust the hallway.",
            "The lobby scene again, this time counting the pillars that survive.",
            "I keep telling my spoon it is not there. It disagrees.",
            "Came for the coats, stayed for the philosophy.",
        ),
        second_thoughts=(
            "Second time around: the quiet scenes are the brave ones.",
            "I have stopped dodging things in slow motion. Mostly.",
        ),
    ),
    Scene(
        working_title="The Janitor of Building Two",
        title="Good Will Hunting",
        year=1997,
        released=(1997, 12, 5),
        runtime=126,
        rated="R",
        imdb_id=119217,
        rating=8.3,
        genres=("Drama", "Romance"),
        directors=("Gus Van Sant",),
        writers=("Matt Damon", "Ben Affleck"),
        announced=("Matt Damon", "Robin Williams"),
        joining=("Minnie Driver", "Stellan Skarsgård", "Ben Affleck", "Casey Affleck"),
        people=(Person("Night Shift", "Will Hunting"), Person("Dr. Maguire", "Sean Maguire")),
        remarks=(
            "Solved the blackboard in the hallway. Nobody asked me to.",
            "A bench, two people, ten minutes. That is the whole trick.",
            "I have been saying it was not my fault ever since. It helps.",
            "The best friend's speech on the building site gets me every time.",
            "Library cards should be handed out at the exit.",
        ),
        second_thoughts=(
            "Watched it with my father. We talked on the way home.",
            "The proof is left to the reader; the hug is not.",
        ),
    ),
    Scene(
        working_title="Untitled Number Nine",
        title="Once Upon a Time in Hollywood",
        year=2019,
        released=(2019, 7, 26),
        runtime=161,
        rated="R",
        imdb_id=7131622,
        rating=7.6,
        genres=("Comedy", "Drama"),
        directors=("Quentin Tarantino",),
        writers=("Quentin Tarantino",),
        announced=("Leonardo DiCaprio", "Brad Pitt"),
        joining=("Margot Robbie", "Margaret Qualley", "Timothy Olyphant", "Al Pacino"),
        people=(Person("R. Dalton", "Rick Dalton"), Person("The Stunt Double", "Cliff Booth")),
        remarks=(
            "Three hours of driving with the radio on. I would have taken four.",
            "The dog deserves a billing above the title.",
            "He fixes the antenna, and somehow that is the action scene.",
            "I too would like a trailer to shout at myself in.",
            "She watches herself in a cinema and the whole room smiles.",
        ),
        second_thoughts=(
            "It is a fairy tale; it says so in the title, and I missed it.",
            "Whoever painted those marquees: thank you.",
        ),
    ),
)
