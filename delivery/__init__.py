"""Brings a package to Artifactory and from there to the functions of an environment, in steps and back again."""
