"""The variables of the small towns that several tests count: sex, and age at several levels."""

from popgen import Coarsening, Codebook, Variable

SEX = Variable("sex", ("f", "m"))
AGE = Variable("age", ("0-17", "18-24", "25-64", "65+"))
BAND = Coarsening.from_groups(AGE, "band", {"0-24": ["0-17", "18-24"], "25+": ["25-64", "65+"]})
SPLIT = Coarsening.from_groups(AGE, "split", {"0-64": list(AGE.levels[:3]), "65+": ["65+"]})
GROWN = Coarsening.from_groups(AGE, "grown", {"25-64": ["25-64"], "65+": ["65+"]})
BOOK = Codebook.of([SEX], [BAND, SPLIT, GROWN])
