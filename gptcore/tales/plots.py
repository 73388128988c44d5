"""The plots that a tale can have, in the order in which they are drawn.

Source: ours.
"""

from __future__ import annotations

from gptcore.tales import plots_people, plots_things

PLOTS = (
    plots_things.lost,
    plots_things.shared_meal,
    plots_things.handmade,
    plots_people.promised,
    plots_people.stormy,
    plots_things.broken,
    plots_people.race,
    plots_people.stranger,
    plots_people.secret,
    plots_things.skill,
    plots_people.rescue,
    plots_things.swap,
    plots_people.too_far,
    plots_things.envy,
    plots_things.seedling,
    plots_people.night_noise,
    plots_people.quarrel,
    plots_people.newcomer,
    plots_things.farewell,
    plots_things.errand,
)
