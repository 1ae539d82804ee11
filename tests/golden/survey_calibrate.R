# Golden numbers for tests/test_against_survey.py, from R's survey::calibrate.
#
#   Rscript tests/golden/survey_calibrate.R > tests/golden/survey_calibrate.json
#
# Needs R with the packages survey, MASS and jsonlite (Debian: r-cran-survey r-cran-mass
# r-cran-jsonlite).
# Records: the stratified sample `apistrat` of the package's own `api` data (200 Californian
# schools, unequal design weights); totals: the 6,194 schools of `apipop`.

suppressPackageStartupMessages({
  library(survey)
  library(jsonlite)
})
data(api)

# Pupils tested, in thousands: a numeric column beside the 0/1 cells.
apistrat$pupils <- apistrat$api.stu / 1000
apipop$pupils <- apipop$api.stu / 1000

columns <- c("stype", "sch.wide", "comp.imp")
design <- svydesign(ids = ~1, weights = ~pw, data = apistrat)

totals_for <- function(formula) colSums(model.matrix(formula, apipop))

margins_for <- function(margins) {
  lapply(margins, function(names) as.data.frame(table(apipop[names], dnn = names),
                                                responseName = "count", stringsAsFactors = FALSE))
}

case <- function(formula, margins, calfun, bounds = c(-Inf, Inf), sums = character()) {
  fitted <- calibrate(design, formula, population = totals_for(formula), calfun = calfun,
                      bounds = bounds, epsilon = 1e-10, maxit = 100)
  list(distance = calfun,
       bounds = if (calfun == "logit") bounds else NULL,
       margins = margins_for(margins),
       sums = as.list(colSums(apipop[sums])),
       weights = unname(weights(fitted)))
}

one_way <- ~ stype + sch.wide + comp.imp
one_way_margins <- list("stype", "sch.wide", "comp.imp")
two_way <- ~ stype * sch.wide + stype * comp.imp
two_way_margins <- list(c("stype", "sch.wide"), c("stype", "comp.imp"))
with_sum <- ~ stype + sch.wide + pupils
with_sum_margins <- list("stype", "sch.wide")

cases <- list(
  "raking, one-way" = case(one_way, one_way_margins, "raking"),
  "linear, one-way" = case(one_way, one_way_margins, "linear"),
  "logit 0.5 to 1.5, one-way" = case(one_way, one_way_margins, "logit", c(0.5, 1.5)),
  "raking, two-way" = case(two_way, two_way_margins, "raking"),
  "linear, two-way" = case(two_way, two_way_margins, "linear"),
  "logit 0.3 to 3, two-way" = case(two_way, two_way_margins, "logit", c(0.3, 3)),
  "raking, margins and a sum" = case(with_sum, with_sum_margins, "raking", sums = "pupils"),
  "linear, margins and a sum" = case(with_sum, with_sum_margins, "linear", sums = "pupils"),
  "logit 0.3 to 3, margins and a sum" = case(with_sum, with_sum_margins, "logit", c(0.3, 3),
                                               sums = "pupils")
)

records <- lapply(apistrat[columns], as.character)
records$pupils <- apistrat$pupils
records$design_weight <- apistrat$pw

cat(toJSON(list(
  software = list(R = as.character(getRversion()), survey = as.character(packageVersion("survey"))),
  records = records,
  cases = cases
), digits = NA, auto_unbox = TRUE, null = "null"), "\n", sep = "")
