"""What a model card and a data card ask: the fields of the two papers, each with an id to answer it by.

References
----------
Mitchell, M. et al. (2019). Model cards for model reporting. FAT* '19, 220-229. doi:10.1145/3287560.3287596
    Figure 1 lists the fields of the first seven sections, sections 4.8 and 4.9 those of the last two.
Gebru, T. et al. (2021). Datasheets for datasets. Communications of the ACM 64 (12), 86-92. doi:10.1145/3458723
    Earlier drafts ask twice whether the dataset relates to people; here it is no question of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """One field of a card.

    Attributes
    ----------
    id : str
        Dotted key of its answer in ``cards.toml``: card, section, field.
    text : str
        What is asked, as the paper has it, in short.
    place : str
        Where in ``mlops.toml`` it can be answered instead; empty when nowhere.
    optional : bool
        True for “Any other comments?”: left empty it is no open question.
    """

    id: str
    text: str
    place: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Section:
    """A group of fields under one heading."""

    id: str
    title: str
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Form:
    """A card before anything is filled in."""

    name: str
    title: str
    paper: str
    sections: tuple[Section, ...]

    def __iter__(self) -> Iterator[Question]:
        return (question for section in self.sections for question in section.questions)


def _section(card: str, name: str, title: str, *asked: tuple[str, str] | tuple[str, str, str]) -> Section:
    made = [Question(f"{card}.{name}.{key}", text, "".join(place)) for key, text, *place in asked]
    if card == "data":
        made.append(Question(f"{card}.{name}.comments", "Any other comments?", optional=True))
    return Section(f"{card}-{name}", title, tuple(made))


MODEL_CARD = Form(
    "model_card",
    "Model card",
    "Mitchell et al. (2019), Model cards for model reporting, doi:10.1145/3287560.3287596",
    (
        _section(
            "model",
            "details",
            "Model details",
            ("developer", "Person or organisation developing the model", "[project.roles] model"),
            ("date", "Model date"),
            ("version", "Model version"),
            ("type", "Model type"),
            (
                "training",
                "Training algorithms, parameters, fairness constraints or other applied approaches, and features",
            ),
            ("resource", "Paper or other resource for more information"),
            ("citation", "Citation details"),
            ("licence", "Licence"),
            ("contact", "Where to send questions or comments about the model"),
        ),
        _section(
            "model",
            "use",
            "Intended use",
            ("primary", "Primary intended uses", "[project] decision"),
            ("users", "Primary intended users"),
            ("out_of_scope", "Out-of-scope use cases"),
        ),
        _section(
            "model",
            "factors",
            "Factors",
            ("relevant", "Relevant factors: groups, instruments, environments", "[data] sensitive, slices"),
            ("evaluated", "Evaluation factors: which are reported, and why these", "[data] sensitive, slices"),
        ),
        _section(
            "model",
            "metrics",
            "Metrics",
            ("performance", "Model performance measures, and why these", "[model] metric, [[criterion]]"),
            ("thresholds", "Decision thresholds"),
            ("variation", "Variation approaches: how uncertainty and variability are measured"),
        ),
        _section(
            "model",
            "evaluation",
            "Evaluation data",
            ("datasets", "Datasets"),
            ("motivation", "Motivation: why these data"),
            ("preprocessing", "Preprocessing"),
        ),
        _section(
            "model",
            "training",
            "Training data",
            ("datasets", "Datasets"),
            ("motivation", "Motivation: why these data"),
            ("preprocessing", "Preprocessing"),
            ("distribution", "Distribution over the factors"),
        ),
        _section(
            "model",
            "results",
            "Quantitative analyses",
            ("unitary", "Unitary results: by each factor alone", "[data] sensitive, slices"),
            ("intersectional", "Intersectional results: by factors together", "[data] sensitive, slices"),
        ),
        _section(
            "model",
            "ethics",
            "Ethical considerations",
            ("data", "Data: does the model use any sensitive data?", "[data] sensitive"),
            ("human_life", "Human life: does it inform decisions about matters central to human life or flourishing?"),
            ("mitigations", "Mitigations: which risk mitigation strategies were used during development?"),
            ("risks", "Risks and harms: potential recipients, likelihood and magnitude"),
            ("fraught", "Use cases: are there any known ones that are especially fraught?"),
        ),
        _section(
            "model",
            "caveats",
            "Caveats and recommendations",
            ("testing", "Did the results suggest any further testing?"),
            ("missing_groups", "Relevant groups that were not represented in the evaluation dataset"),
            ("recommendations", "Additional recommendations for model use"),
            ("ideal_data", "Ideal characteristics of an evaluation dataset for this model"),
        ),
    ),
)

DATA_CARD = Form(
    "data_card",
    "Data card",
    "Gebru et al. (2021), Datasheets for datasets, doi:10.1145/3458723",
    (
        _section(
            "data",
            "motivation",
            "Motivation",
            ("purpose", "For what purpose was the dataset created?"),
            ("creator", "Who created the dataset, and on behalf of which entity?", "[data] origin"),
            ("funding", "Who funded the creation of the dataset?"),
        ),
        _section(
            "data",
            "composition",
            "Composition",
            ("instances", "What do the instances represent? Are there multiple types?"),
            ("count", "How many instances are there in total?"),
            ("sample", "Is it all possible instances or a sample of a larger set? Is the sample representative?"),
            ("features", "What data does each instance consist of?"),
            ("target", "Is there a label or target associated with each instance?"),
            ("missing", "Is any information missing from individual instances?"),
            ("relations", "Are relationships between individual instances made explicit?"),
            ("splits", "Are there recommended data splits?"),
            ("errors", "Are there any errors, sources of noise, or redundancies?"),
            ("self_contained", "Is it self-contained, or does it rely on external resources?"),
            ("confidential", "Does it contain data that might be considered confidential?"),
            ("offensive", "Does it contain data that, viewed directly, might be offensive or cause anxiety?"),
            ("subpopulations", "Does it identify any subpopulations?", "[data] sensitive, slices"),
            ("identification", "Is it possible to identify individuals, directly or indirectly?"),
            ("sensitive", "Does it contain data that might be considered sensitive in any way?", "[data] sensitive"),
        ),
        _section(
            "data",
            "collection",
            "Collection process",
            ("acquired", "How was the data associated with each instance acquired?"),
            ("mechanisms", "What mechanisms or procedures were used to collect the data?"),
            ("sampling", "If it is a sample from a larger set, what was the sampling strategy?"),
            ("people", "Who was involved in the collection, and how were they compensated?"),
            ("timeframe", "Over what timeframe was the data collected?", "[data] time"),
            ("ethics", "Were any ethical review processes conducted?"),
            ("directly", "Was it collected from the individuals directly, or via third parties or other sources?"),
            ("notified", "Were the individuals in question notified about the collection?"),
            ("consent", "Did the individuals in question consent to the collection and use of their data?"),
            ("revoke", "If consent was obtained, can it be revoked in the future or for certain uses?"),
            ("impact", "Has the potential impact of the dataset and its use on data subjects been analysed?"),
        ),
        _section(
            "data",
            "preprocessing",
            "Preprocessing, cleaning and labelling",
            ("done", "Was any preprocessing, cleaning or labelling of the data done?"),
            ("raw", "Was the “raw” data saved in addition to the preprocessed data?"),
            ("software", "Is the software that was used to preprocess, clean or label the data available?"),
        ),
        _section(
            "data",
            "uses",
            "Uses",
            ("already", "Has the dataset been used for any tasks already?"),
            ("repository", "Is there a repository that links to papers or systems that use the dataset?"),
            ("other", "What (other) tasks could the dataset be used for?"),
            ("impact", "Is there anything about composition or collection that might affect future uses?"),
            ("unsuitable", "Are there tasks for which the dataset should not be used?"),
        ),
        _section(
            "data",
            "distribution",
            "Distribution",
            ("third_parties", "Will the dataset be distributed to third parties outside of the entity?"),
            ("how", "How will the dataset be distributed? Does it have a DOI?"),
            ("when", "When will the dataset be distributed?"),
            ("licence", "Will it be distributed under a licence or terms of use?", "[data] licence"),
            ("restrictions", "Have any third parties imposed IP-based or other restrictions on the data?"),
            ("regulation", "Do any export controls or other regulatory restrictions apply?"),
        ),
        _section(
            "data",
            "maintenance",
            "Maintenance",
            ("who", "Who will be supporting, hosting or maintaining the dataset?", "[project.roles] data"),
            ("contact", "How can the owner, curator or manager of the dataset be contacted?"),
            ("erratum", "Is there an erratum?"),
            ("updates", "Will the dataset be updated, for example to correct labelling errors?"),
            ("retention", "Are there applicable limits on the retention of data about people?"),
            ("versions", "Will older versions of the dataset continue to be supported?"),
            ("contributing", "Is there a mechanism for others to extend, build on or contribute to it?"),
        ),
    ),
)

FORMS = (MODEL_CARD, DATA_CARD)
