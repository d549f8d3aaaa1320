"""Devices as data: one TOML file for each, in which every number has its unit, its source and its basis.

    files    reads and checks device files
    device   the records: device, figure, and which figures a kind of device has
    kernels  how long a GPU's kernel takes, given the constants of its file
    *.toml   the devices

To add one, see docs/adding-a-device.md.
"""
