// {{ credit | join("\n// ") }}
//
// Two passes for custom render textures. NcaTexture.cs makes the textures and runs the passes.

Shader "NCA/{{ name }}"
{
    Properties
    {
        _State ("State (the picture reads it)", 2D) = "black" {}
        _Seed ("Random seed", Integer) = {{ seed }}
        _Brush ("Brush: x, y and radius in cells; 1 plants, 0 erases", Vector) = (0, 0, 0, 0)
        _Restart ("Restart", Float) = 0
        [HideInInspector] _Columns ("Columns of tiles", Integer) = {{ columns }}
        [HideInInspector] _Rows ("Rows of tiles", Integer) = {{ rows }}
        [HideInInspector] _Passes ("Passes per step", Integer) = {{ passes }}
    }
    SubShader
    {
        Lighting Off
        Blend One Zero

        Pass
        {
            Name "Step"
            CGPROGRAM
            #pragma target 4.0
            #pragma vertex CustomRenderTextureVertexShader
            #pragma fragment nca_draw_step
            #include "UnityCustomRenderTexture.cginc"
            #define NCA_IMAGE _SelfTexture2D
            #define NCA_IMAGE_SIZE float2(_CustomRenderTextureWidth, _CustomRenderTextureHeight)
            #include "{{ include }}"

            float4 _Brush;
            float _Restart;

            float4 nca_draw_step(v2f_customrendertexture place) : SV_Target
            {
                int2 texel = int2(place.globalTexcoord.xy * NCA_IMAGE_SIZE);
                return nca_next(texel, _Brush, _Restart > 0.5);
            }
            ENDCG
        }

        Pass
        {
            Name "Picture"
            CGPROGRAM
            #pragma target 4.0
            #pragma vertex CustomRenderTextureVertexShader
            #pragma fragment nca_draw_picture
            #include "UnityCustomRenderTexture.cginc"
            sampler2D _State;
            float4 _State_TexelSize;
            #define NCA_IMAGE _State
            #define NCA_IMAGE_SIZE _State_TexelSize.zw
            #include "{{ include }}"

            float4 nca_draw_picture(v2f_customrendertexture place) : SV_Target
            {
                nca_prepare(NCA_IMAGE_SIZE);
                float2 shown = float2(place.globalTexcoord.x, 1.0 - place.globalTexcoord.y);
                float3 color = nca_smooth(shown * float2(nca_size));
                #ifndef UNITY_COLORSPACE_GAMMA
                color.r = GammaToLinearSpaceExact(color.r);
                color.g = GammaToLinearSpaceExact(color.g);
                color.b = GammaToLinearSpaceExact(color.b);
                #endif
                return float4(color, 1.0);
            }
            ENDCG
        }
    }
}
