import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

box = Thing("box", "b", replace_key="2")
