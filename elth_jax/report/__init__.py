"""Reports: what a finished study found, as tables, figures and one page."""

from elth_jax.report.page import write_report

__all__ = ['write_report']
