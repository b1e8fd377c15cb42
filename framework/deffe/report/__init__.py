"""A run as one HTML page, and as pictures for papers and slides: ``run_deffe -report``. Reads the run directory only.

``gather`` reads what there is, ``charts`` says what pictures show, ``figures`` and ``pictures`` draw the same charts
with Plotly and Matplotlib, ``page`` puts them into HTML, ``folder`` writes the files.
"""
