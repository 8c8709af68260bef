# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
# cmake -DINPUT= -DOUTPUT= -DSYMBOL= -DHEADER= -P: one file as a C array (see embed.cmake).
file(READ ${INPUT} bytes HEX)
string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${OUTPUT} "#include \"${HEADER}\"\nconst char ${SYMBOL}[] = {\n${bytes}0x00};\n"
                     "const size_t ${SYMBOL}_length = sizeof(${SYMBOL}) - 1;\n")
